"""From a broker record to a change: the three shapes of the contract, told apart by their content."""
