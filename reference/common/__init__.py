"""Code that every command needs: errors, exit statuses, input and output files, and plain text."""
