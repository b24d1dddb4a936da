"""`helix-chat --plain`: the chat in lines, for screen readers and terminals that cannot move a cursor."""
