"""The simulated exchange: the broker's REST, WebSocket and listing files, with a market behind them."""
