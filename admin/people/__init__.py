"""Users and how they sign on: passwords, dynamic passwords, sessions, and the rules of who may change whom."""
