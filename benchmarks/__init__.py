"""Side by side with the peers: what streaming, requests, import and construction cost. Run by `make bench`."""
