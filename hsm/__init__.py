"""Keystores, PKCS#11 and software backends, ceremonies and rotation; imports nothing else of ours."""
