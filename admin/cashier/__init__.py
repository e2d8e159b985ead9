"""The cashier's page: bills that go from a quotation to a payment without being typed again."""
