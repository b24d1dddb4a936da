"""The widgets, one a file; what they draw is computed in `helix_tui.render`."""
