"""bench/ knows no variant by name, and no scalar or hyperparameter that only variants declare.

What a variant declares reaches bench/ as data. The words come from the registry, so a new variant is covered
by this test as it stands. Hyperparameters of every variant (`VariantHyperparameters`) are the contract's and
may be named.
"""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

import bench
from variants.base import VariantHyperparameters
from variants.registry import all_variants

ROOT = Path(bench.__file__).parent
FILES = sorted(path for path in ROOT.rglob("*") if path.suffix in (".py", ".jinja"))
VARIANTS = [each for each in all_variants().values() if each.__module__.startswith("variants.")]
WORDS = (
    {each.name for each in VARIANTS}
    | {scalar.name for each in VARIANTS for scalar in each.scalars}
    | {name for each in VARIANTS for name in each.Hyperparameters.model_fields}
) - set(VariantHyperparameters.model_fields)
# Words that bench/ also needs in another meaning: in English, as terms of statistics and of the contract, as
# arguments of libraries, as an index. They count where they are meant as names: as a whole text, in double
# backticks, or before ==.
EVERYDAY = {
    "alpha", "balance", "began", "categories", "encoder", "entropy", "k", "layers", "margin", "norm",
    "prior", "reevaluate", "update",
}  # fmt: skip


def pattern(words: set[str]) -> re.Pattern[str]:
    """Finds the words as wholes; a part of a name with hyphens is no whole."""
    listed = "|".join(sorted(map(re.escape, words), key=len, reverse=True))
    return re.compile(rf"(?<![\w-])(?:{listed})(?![\w-])")


ANYWHERE = pattern(WORDS - EVERYDAY)
AS_NAME = re.compile(rf"``(?:{'|'.join(sorted(EVERYDAY))})``|{pattern(EVERYDAY).pattern}\s*==")


def named_in_text(text: str) -> Iterator[str]:
    """Words that a text names: a string, a comment, a docstring, or a template."""
    if text.strip() in WORDS:
        yield text.strip()
    yield from ANYWHERE.findall(text)
    yield from AS_NAME.findall(text)


def named_in_code(source: str) -> list[str]:
    """Words that the source of a module names, each with its line."""
    found: list[tuple[int, str]] = []
    for node in ast.walk(ast.parse(source)):
        line = getattr(node, "lineno", 0)
        match node:
            case ast.Constant(value=str(text)):
                found += [(line, word) for word in named_in_text(text)]
            case (
                ast.Name(id=name) | ast.Attribute(attr=name) | ast.arg(arg=name) | ast.keyword(arg=str(name))
            ):
                found += [(line, name)] if name in WORDS - EVERYDAY else []
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name) | ast.alias(name=name):
                found += [(line, name)] if name in WORDS - EVERYDAY else []
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            found += [(token.start[0], word) for word in named_in_text(token.string.lstrip("# "))]
    return [f"{line}: {word}" for line, word in sorted(set(found))]


def test_there_are_words_to_look_for() -> None:
    assert {"M", "k", "loss_real", "wasserstein", "gamma", "kl_weight", "norm", "began", "wgan-gp"} <= WORDS
    assert not {"lr_g", "latent_dim", "filters"} & WORDS
    assert WORDS | {"alpha"} >= EVERYDAY


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_bench_names_nothing_that_only_variants_declare(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert (named_in_code(text) if path.suffix == ".py" else list(named_in_text(text))) == []


FORMS = {
    "a text": 'NAME = "{}"',
    "a key": 'value = row.get("{}")',
    "a part of an f-string": 'label = f"{{group}} {}"',
    "a condition in a docstring": '"""Runs with ``{} == 0.5``."""',
    "a condition in a comment": "# such as {} == 1",
    "a name in backticks": '"""The mean of ``{}``."""',
}
OF_UNUSUAL_WORDS = {
    "a sentence": '"""Draw {} by step."""',
    "a comment": "# the mean of {} since the checkpoint before",
}
OF_IDENTIFIERS = {"a variable": "{} = 1", "an attribute": "self.{}", "an argument": "f({}=1)"}


PUT_IN = [
    *((form, word) for form in FORMS for word in WORDS),
    *((form, word) for form in OF_UNUSUAL_WORDS for word in WORDS - EVERYDAY),
    *((form, word) for form in OF_IDENTIFIERS for word in WORDS - EVERYDAY if word.isidentifier()),
]


@pytest.mark.parametrize(("form", "word"), sorted(PUT_IN))
def test_a_word_that_is_put_in_is_found(form: str, word: str) -> None:
    source = (FORMS | OF_UNUSUAL_WORDS | OF_IDENTIFIERS)[form].format(word)
    module = (ROOT / "comparing" / "columns.py").read_text(encoding="utf-8")
    assert any(word in found for found in named_in_code(source))
    assert any(word in found for found in named_in_code(f"{module}\n{source}\n"))


@pytest.mark.parametrize(
    "source",
    [
        '"""When the run began; its norm is a mean over layers."""',
        'axis.plot(x, y, alpha=0.3, label="began-bench")',
        "lengths = first.norm(dim=1)",
        "for k, v in pairs: update(k)",
        '"""Study gamma-lr-lambda of a file."""',
        "axis.margins(x=margin); value = entropy(bins)",
        '"""The encoder is D\'s; its code has 10 categories."""',
    ],
)
def test_other_meanings_of_everyday_words_are_none(source: str) -> None:
    assert named_in_code(source) == []
