"""What reaches the disk: single files, and packages that are changed in place."""
