"""What every command needs: errors, exit statuses, output files, plain text."""
