"""mkdocs: the configuration reference is made from the config classes when the pages are built."""

from mkdocs.structure.files import File

from lab.config.reference import reference


def on_files(files, config):
    """Add the page of all keys, which is in no repository and so never out of date."""
    files.append(File.generated(config, "configuration.md", content=reference()))
    return files
