"""Small pure functions that draw. Colours come from the style sheet's classes, for light and dark."""
