"""What the samples of the project's own data sets show, in words that extractors name in `trained_on`."""

DIGITS = "digits"
GARMENTS = "garments"
OBJECTS = "photographs of objects and animals"
FACES = "photographs of faces"
BEDROOMS = "photographs of bedrooms"
