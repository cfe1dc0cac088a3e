-- wrk's part of bench/accept.py: posts one fixed body and counts the answers that are a 200, nothing else.
-- Arguments behind `--`: the file of the body, the bearer token.
local threads = {}

function setup(thread)
  table.insert(threads, thread)
end

function init(args)
  accepted, refused = 0, 0
  local file = assert(io.open(args[1], "rb"))
  wrk.method, wrk.body = "POST", file:read("*a")
  file:close()
  wrk.headers["Content-Type"] = "application/json"
  wrk.headers["Authorization"] = "Bearer " .. args[2]
end

function response(status)
  if status == 200 then accepted = accepted + 1 else refused = refused + 1 end
end

function done(summary, latency)
  local accepted, refused = 0, 0
  for _, thread in ipairs(threads) do
    accepted, refused = accepted + thread:get("accepted"), refused + thread:get("refused")
  end
  local errors = summary.errors
  io.write(string.format(
    '\nRESULT {"accepted": %d, "refused": %d, "broken": %d, "seconds": %.6f, "p50_ms": %.2f, "p99_ms": %.2f}\n',
    accepted, refused, errors.connect + errors.read + errors.write + errors.timeout,
    summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
end
