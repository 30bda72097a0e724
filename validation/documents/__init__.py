"""Documents that may come from anywhere: read strictly, and written."""
