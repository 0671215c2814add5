"""One file a section of the page: a pure function from a Run to a Section."""
