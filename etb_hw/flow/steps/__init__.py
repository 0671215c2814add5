"""The steps of a flow, one file each."""
