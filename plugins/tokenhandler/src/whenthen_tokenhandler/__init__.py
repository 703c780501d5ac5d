"""Change tokens when events happen: the token handler module of whenthen."""
