"""The gateway: REST commands become events, and events become server-sent streams."""
