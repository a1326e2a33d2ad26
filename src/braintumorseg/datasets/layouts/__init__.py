"""Layouts of folders of studies with masks, one a file."""
