"""Tell users and administrators about events: the user notification handler module of whenthen."""
