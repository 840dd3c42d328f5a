"""Readers' marks: the only user data cxrdash holds; append-only, kept twice, never in the index."""
