"""The version, in its one place; CHANGELOG.md says what a version promises."""

__version__ = "0.1.0.dev0"
