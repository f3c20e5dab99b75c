"""The few Textual widgets: a pane that shows drawn lines, and the dialogs."""
