"""The queue of candidacies that wait for an administrator's decision."""
