"""The bundled files, found by `importlib.resources.files("helix_assets")` wherever the package is installed."""
