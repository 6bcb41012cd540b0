-- Ends all sessions of a user at once, if the user is still the one whom the caller saw, without reading more than the newest of
-- them: its time does not grow with their number.
--
-- KEYS   1 user   2 sessions that ended all together   3 the user's timeline   4 the home's timeline   5 the home's figures
-- ARGV   1 stamp of the user as seen   2 the new user   3 its TTL   4 TTL of the ended sessions and the timeline
--        5 TTL of the home's keys   6 events kept at most   7 events of a home kept at most
--        8 when and why they ended   9 where the newest sessions begin
--        10-14 added to the figures: sessions, users, created, revoked, expired   then the events
-- Reply  1 written; else nothing was, and the reply is the stamp of the user as they are now, empty for "none"
--
-- Times are milliseconds. What is replaced is freed in the background: it may be some megabytes.
local there = stamp(KEYS[1])
if there ~= ARGV[1] then
  return there
end
redis.call('SET', KEYS[2], ARGV[8] .. redis.call('GETRANGE', KEYS[1], ARGV[9], -1), 'PX', ARGV[4])
redis.call('UNLINK', KEYS[1])
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
append(KEYS[3], 15, #ARGV, ARGV[6], ARGV[4])
append(KEYS[4], 15, #ARGV, ARGV[7], ARGV[5])
count(KEYS[5], 10, #ARGV - 14, ARGV[5])
return 1
