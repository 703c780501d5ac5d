"""The reference host of whenthen: users, realms, HOTP and TOTP tokens and a small HTTP API."""
