"""The version of the preprocessing: one number for all code that decides its outputs."""

VERSION = 2
"""Raised whenever ``Preprocessing`` or skull stripping gives other numbers for the same study.

Presets store it beside their weights, and cached studies are kept under it, so that neither meets another preprocessing.
``tests/preprocessing/test_version.py`` compares stored outputs with today's and fails where they differ under one version.
"""
