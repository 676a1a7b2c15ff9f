"""What a page's events do: plain functions with values in and frozen views out. Never imports Gradio."""
