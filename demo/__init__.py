"""`make demo`: a chain, two agents and a query engine, on both protocols, shown in a terminal."""
