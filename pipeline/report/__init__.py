"""The HTML report: figures, tables and a page that plays the audio."""
