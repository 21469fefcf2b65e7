"""The model card: what it contains, and how it is written as Markdown and HTML."""
