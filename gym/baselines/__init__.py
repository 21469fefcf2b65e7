"""What any model must beat: the commonest class, a forest that sees one pixel at a time, a threshold for water."""
