-- wrk asks for each ticker in turn; with arguments RATE CONNECTIONS each connection waits before it
-- asks, a random time, so that together they ask RATE times a second. One JSON line at the end.

local tickers, next_one, mean = {}, 0, 0

function init(arguments)
  for ticker in arguments[1]:gmatch("[^,]+") do tickers[#tickers + 1] = ticker end
  mean = arguments[2] and 1000 * tonumber(arguments[3]) / tonumber(arguments[2]) or 0
  math.randomseed(42)
end

function delay()
  return mean == 0 and 0 or math.floor(-math.log(1 - math.random()) * mean + 0.5)
end

function request()
  next_one = next_one % #tickers + 1
  local body = string.format('{"ticker": "%s", "model_type": "rf"}', tickers[next_one])
  return wrk.format("POST", "/api/b3/predict", {["Content-Type"] = "application/json"}, body)
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '{"requests": %d, "seconds": %.3f, "refused": %d, "broken": %d, "p50_ms": %.2f, "p99_ms": %.2f, "worst_ms": %.2f}\n',
    summary.requests, summary.duration / 1e6, errors.status,
    errors.connect + errors.read + errors.write + errors.timeout,
    latency:percentile(50) / 1000, latency:percentile(99) / 1000, latency.max / 1000))
end
