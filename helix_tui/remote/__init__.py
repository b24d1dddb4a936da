"""The app as a client: of a running Helix server (`attach`), or of any server with OpenAI's API (`connect`)."""
