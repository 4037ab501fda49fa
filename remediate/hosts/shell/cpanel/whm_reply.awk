# Parses one JSON text and prints a verdict on the first line: `done`, `refused REASON`, `none STATUS` or `broken
# STATUS`. A long word of a reason is not printed, because it may be part of a key.
function blank() { sub(/^[ \t\r\n]+/, "", text) }
function first() { blank(); return substr(text, 1, 1) }
function next_one(one) { one = first(); text = substr(text, 2); return one }
function quoted(out, one) {
  while (match(text, /["\\]/)) {
    out = out substr(text, 1, RSTART - 1)
    one = substr(text, RSTART, 1)
    text = substr(text, RSTART + 1)
    if (one == "\"") return out
    one = substr(text, 1, 1)
    text = substr(text, one == "u" ? 6 : 2)
    out = out (one == "n" ? "\n" : index("rtbf", one) ? " " : one == "u" ? "?" : one)
  }
  broken = 1
}
function members(path, end, number, key, one) {
  text = substr(text, 2)
  if (first() == end) { text = substr(text, 2); return }
  for (number = 0; !broken; number++) {
    key = number
    if (end == "}") {
      if (next_one() != "\"") break
      key = quoted()
      gsub(/[.]/, "?", key)
      if (next_one() != ":") break
    }
    value(path "." key)
    one = next_one()
    if (one == end) return
    if (one != ",") break
  }
  broken = 1
}
function value(path, one) {
  one = first()
  if (one == "{") members(path, "}")
  else if (one == "[") members(path, "]")
  else if (one == "\"") { text = substr(text, 2); found[path] = quoted() }
  else if (match(text, /^[-+.0-9A-Za-z]+/)) { found[path] = substr(text, 1, RLENGTH); text = substr(text, RLENGTH + 1) }
  else broken = 1
}
function plain(reason, words, count, number, out) {
  sub(/-----BEGIN.*/, "", reason)
  gsub(/[^ -~]/, " ", reason)
  count = split(reason, words, " ")
  for (number = 1; number <= count; number++)
    out = out (number > 1 ? " " : "") (length(words[number]) > 40 ? "(a long word)" : words[number])
  return substr(out, 1, 300)
}
/^ended [0-9]+$/ { status = $2; next }
{ text = text $0 "\n" }
END {
  if (text !~ /[^ \t\r\n]/) { print "none " status; exit }
  value("")
  blank()
  if (broken || text != "" || !(".metadata.result" in found)) { print "broken " status; exit }
  if (found[".metadata.result"] != "1") { print "refused " plain(found[".metadata.reason"]); exit }
  print "done"
  for (number = 0; (".data.services." number ".service") in found; number++) {
    service = found[".data.services." number ".service"]
    if (wanted == "services") print plain(service)
    if (wanted == "bundle " service) print found[".data.services." number ".cabundle"]
  }
}
