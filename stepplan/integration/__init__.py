"""What both adapters decide alike: fields, options, tools, objects in answers, the check of calls."""
