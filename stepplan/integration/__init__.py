"""What both adapters decide, decided once: options, tools, the check of calls, objects made without validation."""
