"""The model card of a run: its contents, and the card as Markdown and HTML."""
