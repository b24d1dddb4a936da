"""What keys do on the chat screen: one idea a file, each a part of `ChatScreen`."""
