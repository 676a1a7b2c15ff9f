"""The actions of the pages' events: plain functions that take values and return frozen views. Never imports Gradio."""
