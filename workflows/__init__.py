"""When things happen: workflows order, operations act, the store is the truth."""
