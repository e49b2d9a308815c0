"""One object on its way in: in one request, in parts, or as a file to write."""
