"""The package comes first, before any library that it sets up."""

import etb_hw  # noqa: F401
