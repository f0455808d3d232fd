-- SPDX-License-Identifier: BSD-3-Clause
-- RFC 2544 over udp.pkt's flows: throughput (26.1) and frame loss (26.3) for each size. Port 0 sends, port 1 receives.
-- After addresses.pkt: load rfc2544.lua. The results go to the screen and to rfc2544.txt.
--
-- Latency (26.2) is measured by hand at the rate that is found here: enable 0 latency, page latency.

package.path = package.path .. ";?.lua;../?.lua"
require "Pktgen"

local SEND, RECEIVE = "0", "1"
local SIZES = { 64, 128, 256, 512, 1024, 1280, 1518 }
local TRIAL_MS = 20000     -- RFC 2544, 24: at least 60 s for what is reported
local CONFIRM_MS = 60000
local SETTLE_MS = 2000     -- RFC 2544, 23: after sending, for what is still under way
local LEARN_MS = 3000      -- for the balancer to have all flows
local STEP = 0.1           -- per cent of the line rate, at which the search ends
local LOSS = 0             -- per cent that may be lost; RFC 2544 allows nothing
local BALANCER = os.getenv("BALANCER_MAC") or "02:00:00:00:00:01"

local out = assert(io.open("rfc2544.txt", "w"))

local function say(text, ...)
	local line = text:format(...)

	print(line)
	out:write(line, "\n")
	out:flush()
end

-- range.X(port, which, value) for a field of the packets.
local function range(set, start, least, most, step)
	set(SEND, "start", start)
	set(SEND, "min", least)
	set(SEND, "max", most)
	set(SEND, "inc", step)
end

local function flows()
	local r = pktgen.range

	pktgen.set(SEND, "count", 0)
	r.ip_proto(SEND, "udp")
	range(r.dst_mac, BALANCER, BALANCER, BALANCER, "00:00:00:00:00:00")
	range(r.src_ip, "198.18.128.1", "198.18.128.1", "198.18.143.161", "0.0.0.1")
	range(r.dst_ip, "198.18.0.10", "198.18.0.10", "198.18.0.10", "0.0.0.0")
	range(r.src_port, 1024, 1024, 17407, 1)
	range(r.dst_port, 5001, 5001, 5001, 0)
	range(r.ttl, 64, 64, 64, 0)
	pktgen.set_range(SEND, "on")
end

local function counters(port)
	return pktgen.portStats(port, "port")[tonumber(port)]
end

-- Sends at a rate (per cent of the line's) for a time: packets sent, and per cent of them lost.
local function trial(rate, ms)
	pktgen.set(SEND, "rate", rate)
	pktgen.clr()
	pktgen.start(SEND)
	pktgen.delay(ms)
	pktgen.stop(SEND)
	pktgen.delay(SETTLE_MS)

	local sent, received = counters(SEND).opackets, counters(RECEIVE).ipackets

	if sent == 0 then
		return 0, 100
	end
	return sent, math.max(0, (sent - received) / sent * 100)
end

-- The highest rate without loss, by halving (RFC 2544, 26.1 leaves the search to us); 0: there is none.
local function throughput()
	local good, bad = 0, 100 + STEP
	local rate = 100

	while bad - good > STEP do
		local _, lost = trial(rate, TRIAL_MS)

		if lost <= LOSS then
			good = rate
		else
			bad = rate
		end
		rate = math.min(100, (good + bad) / 2)
		if good == 100 then
			break
		end
	end
	return good
end

-- What was found has to hold for as long as the RFC says; where it does not, a little less.
local function confirmed(rate)
	while rate > 0 do
		local sent, lost = trial(rate, CONFIRM_MS)

		if lost <= LOSS then
			return rate, sent / (CONFIRM_MS / 1000)
		end
		rate = math.max(0, rate - math.max(STEP, rate * 0.01))
	end
	return 0, 0
end

-- Loss at 100 %, 90 % ... of the line rate, until two trials in a row lose nothing (26.3).
local function frame_loss()
	local quiet = 0

	for rate = 100, 10, -10 do
		local sent, lost = trial(rate, TRIAL_MS)

		say("    %3d %% of the line: %12d sent, %8.4f %% lost", rate, sent, lost)
		quiet = lost == 0 and quiet + 1 or 0
		if quiet == 2 then
			return
		end
	end
end

local function main()
	flows()
	say("bytes  %% of the line  packets/s")
	for _, size in ipairs(SIZES) do
		range(pktgen.range.pkt_size, size, size, size, 0)
		trial(10, LEARN_MS)

		local rate, pps = confirmed(throughput())

		say("%5d  %13.2f  %9.0f", size, rate, pps)
		frame_loss()
	end
	out:close()
end

main()
