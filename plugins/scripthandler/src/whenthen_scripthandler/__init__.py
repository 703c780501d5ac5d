"""Run scripts when events happen: the script handler module of whenthen."""
