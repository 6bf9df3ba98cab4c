/**
 * Templates with what they give for the sample `metric{instance="kafka1.example.com:9092",job="node",path="/a b&<c>"}`
 * of the value 1234567.891, where `query "other"` gives two samples: `{zone="b"}` 2.5 and `{zone="a"}` 7. The oracle
 * test has promtool confirm every line.
 */
export const TEMPLATE_CASES: readonly (readonly [template: string, output: string])[] = [
  // Text, trimming, comments.
  ['plain text', 'plain text'],
  ['a {{- "b" -}} c', 'abc'],
  ['a {{/* a comment */}} b', 'a  b'],
  ['a {{- /* trims both sides */ -}} b', 'ab'],
  ['{{ "{{" }} {{ `raw "text"` }}', '{{ raw "text"'],
  ['{{ "tab\\tquote\\" \\u00e9 \\xc3\\xa9" }}', 'tab\tquote" é é'],
  // Values and their printing.
  ['{{ $value }} {{ .Value }}', '1.234567891e+06 1.234567891e+06'],
  [
    '{{ 1 }} {{ 1.0 }} {{ 1.50 }} {{ 1e6 }} {{ 1e20 }} {{ 1e21 }} {{ 0x1f }} {{ 1_000 }} {{ -7 }} {{ +7 }}',
    '1 1 1.5 1e+06 1e+20 1e+21 31 1000 -7 7',
  ],
  ["{{ 'a' }} {{ true }} {{ false }} {{ 0.1 }} {{ 0.00001 }} {{ 123456789.0 }}", '97 true false 0.1 1e-05 1.23456789e+08'],
  [
    '{{ $labels.instance }} {{ .Labels.job }} [{{ $labels.none }}] {{ $labels }}',
    'kafka1.example.com:9092 node [] map[__name__:metric instance:kafka1.example.com:9092 job:node path:/a b&<c>]',
  ],
  ['{{ with $labels }}{{ .job }} {{ $.Labels.job }}{{ end }}', 'node node'],
  [
    '{{ $externalLabels.region }} {{ .ExternalLabels.none }} {{ $externalURL }} {{ externalURL }} {{ pathPrefix }}',
    'eu  http://example.com/pre http://example.com/pre /pre',
  ],
  // Variables and scope.
  ['{{ $x := 1 }}{{ if true }}{{ $x = 2 }}{{ end }}{{ $x }}', '2'],
  ['{{ $x := 1 }}{{ if true }}{{ $x := 2 }}{{ $x }}{{ end }}{{ $x }}', '21'],
  ['{{ $x := $labels.job | toUpper }}{{ $x }}{{ $x | printf "%s-%s" "a" }}', 'NODEa-NODE'],
  // Control.
  ['{{ if eq $labels.job "node" }}yes{{ else }}no{{ end }}', 'yes'],
  ['{{ if eq $labels.job "x" }}1{{ else if eq $labels.job "node" "y" }}2{{ else }}3{{ end }}', '2'],
  [
    '{{ if $labels.none }}1{{ else }}2{{ end }}{{ if 0 }}1{{ else }}2{{ end }}{{ if "" }}1{{ else }}2{{ end }}{{ if 0.0 }}1{{ else }}2{{ end }}',
    '2222',
  ],
  ['{{ with $labels.none }}1{{ else }}2{{ end }}{{ with $v := $labels.job }}{{ . }}{{ $v }}{{ end }}', '2nodenode'],
  ['{{ range $i, $s := query "other" | sortByLabel "zone" }}{{ $i }}:{{ $s.Labels.zone }}={{ $s.Value }};{{ end }}', '0:a=7;1:b=2.5;'],
  ['{{ range query "other" | sortByLabel "zone" }}{{ .Labels.zone }}{{ .Value }} {{ end }}', 'a7 b2.5 '],
  ['{{ range query "nothing" }}1{{ else }}none{{ end }}', 'none'],
  ['{{ range $k, $v := $labels }}{{ $k }}={{ $v }};{{ end }}', '__name__=metric;instance=kafka1.example.com:9092;job=node;path=/a b&<c>;'],
  ['{{ range $i, $s := query "other" | sortByLabel "zone" }}{{ if eq $i 1 }}{{ break }}{{ end }}{{ $s.Value }}{{ end }}', '7'],
  ['{{ range $i, $s := query "other" | sortByLabel "zone" }}{{ if eq $i 0 }}{{ continue }}{{ end }}{{ $s.Value }}{{ end }}', '2.5'],
  // Comparison and logic.
  [
    '{{ eq 1 1 }} {{ ne 1 2 }} {{ lt 1 2 }} {{ le 2 2 }} {{ gt 1.5 1.0 }} {{ ge "b" "a" }} {{ eq "a" "b" "a" }}',
    'true true true true true true true',
  ],
  ['{{ and 1 0 2 }} {{ and 1 2 }} {{ or 0 "" "x" }} {{ or 0 "" }} {{ not 0 }} {{ not "a" }}', '0 2 x  true false'],
  ['{{ and true (eq 1 1) | not }}', 'false'],
  ['{{ if and (gt $value 1.0) (lt $value 2e6) }}in{{ end }}', 'in'],
  ['{{ eq nil nil }}', 'true'],
  // len, index, slice, print.
  ['{{ len "héllo" }} {{ len $labels }} {{ len (query "other") }}', '6 4 2'],
  ['{{ index $labels "job" }} [{{ index $labels "none" }}] {{ index "abc" 1 }}', 'node [] 98'],
  ['{{ slice "abcdef" 1 3 }} {{ slice "abcdef" 2 }} {{ slice "abcdef" }}', 'bc cdef abcdef'],
  ['{{ print 1 2 "a" "b" 3 4.5 nil true }} {{ println 1 "a" }}{{ print }}', '1 2ab3 4.5 <nil> true 1 a\n'],
  [
    '{{ html $labels.path }} {{ js "a\'b<c>\\"=&" }} {{ urlquery $labels.path }}',
    '/a b&amp;&lt;c&gt; a\\\'b\\u003Cc\\u003E\\"\\u003D\\u0026 %2Fa+b%26%3Cc%3E',
  ],
  ['{{ "a" | printf "%s|%s" "b" }}', 'b|a'],
  ['{{ (index (query "other" | sortByLabel "zone") 1).Value }}', '2.5'],
  ['{{ (query "other" | sortByLabel "zone" | first).Labels.zone }}', 'a'],
  // printf.
  [
    '{{ printf "%v %s %q %d %f %.2f %e %g %x %t %%" "a" "b" "c" 4 5.0 6.789 7.0 8.5 255 true }}',
    'a b "c" 4 5.000000 6.79 7.000000e+00 8.5 ff true %',
  ],
  [
    '{{ printf "%5d|%-5d|%05d|%+d|% d|%x|%X|%o|%b|%c|%U|%q" 42 42 42 42 42 255 255 8 5 65 65 65 }}',
    "   42|42   |00042|+42| 42|ff|FF|10|101|A|U+0041|'A'",
  ],
  [
    '{{ printf "%8.3f|%-8.3f|%08.3f|%+.1f|% .1f|%8s|%-8s|%.2s|%5t" 3.14159 3.14159 -3.14159 2.0 2.0 "ab" "ab" "abc" true }}',
    '   3.142|3.142   |-003.142|+2.0| 2.0|      ab|ab      |ab| true',
  ],
  ['{{ printf "%g %g %g %g %G" 1e6 1e-5 123456789.0 0.0001 1e-7 }}', '1e+06 1e-05 1.23456789e+08 0.0001 1E-07'],
  ['{{ printf "%.3g %.3g %.10g %.0f %.1f %.0e" 1234.5 0.00012345 0.1 2.5 0.25 12345.0 }}', '1.23e+03 0.000123 0.1 2 0.2 1e+04'],
  [
    '{{ printf "%d" 1.5 }} {{ printf "%s" 1 }} {{ printf "%d" "a" }} {{ printf "%t" 1 }} {{ printf "%f" 1 }}',
    '%!d(float64=1.5) %!s(int=1) %!d(string=a) %!t(int=1) %!f(int=1)',
  ],
  [
    '{{ printf "%d %d" 1 }} {{ printf "%d" 1 2 }} {{ printf "%!" 1 }} {{ printf "%z" 1 }} {{ printf "100%" }}',
    '1 %!d(MISSING) 1%!(EXTRA int=2) %!!(int=1) %!z(int=1) 100%!(NOVERB)',
  ],
  [
    '{{ printf "%v %v %v %v" nil $labels true 1.0 }}',
    '<nil> map[__name__:metric instance:kafka1.example.com:9092 job:node path:/a b&<c>] true 1',
  ],
  ['{{ printf "%T %T %T %T %T" 1 1.0 "a" true nil }}', 'int float64 string bool <nil>'],
  ['{{ printf "%q %q %x % x %X" "a\\"b\\n\\u00e9\\u200b" `a\\b` "hi" "hi" "hi" }}', '"a\\"b\\né\\u200b" "a\\\\b" 6869 68 69 6869'],
  ['{{ printf "%[2]s %[1]s" "a" "b" }} {{ printf "%*d" 5 42 }} {{ printf "%6.2f%%" 12.345 }}', 'b a    42  12.35%'],
  [
    '{{ printf "%.2f" $value }} {{ printf "%.0f" $value }} {{ $value | printf "%.1f" }} {{ printf "%e" $value }}',
    '1234567.89 1234568 1234567.9 1.234568e+06',
  ],
  // Templates in templates.
  [
    '{{ define "x" }}<{{ . }}>{{ end }}{{ template "x" "a" }}{{ template "x" $value }}{{ template "x" }}',
    '<a><1.234567891e+06><<no value>>',
  ],
  ['{{ block "b" $labels.job }}[{{ . }}]{{ end }}', '[node]'],
  ['{{ define "args" }}{{ .arg0 }}-{{ .arg1 }}{{ .arg2 }}{{ end }}{{ template "args" (args 1 "b") }}', '1-b<no value>'],
  // Prometheus's functions.
  [
    '{{ humanize 0.0 }} {{ humanize 1.0 }} {{ humanize 1234567.0 }} {{ humanize 0.00012 }} {{ humanize -12345.0 }} {{ humanize 999999.9 }} {{ humanize 1e30 }}',
    '0 1 1.235M 120u -12.35k 1000k 1e+06Y',
  ],
  [
    '{{ humanize "1500" }} {{ humanize 1500 }} {{ $value | humanize }} {{ humanize "Inf" }} {{ humanize "NaN" }}',
    '1.5k 1.5k 1.235M +Inf NaN',
  ],
  [
    '{{ humanize1024 0.0 }} {{ humanize1024 1.0 }} {{ humanize1024 1048576.0 }} {{ humanize1024 -1536.0 }} {{ humanize1024 1e30 }} {{ humanize1024 1023.9 }}',
    '0 1 1Mi -1.5ki 8.272e+05Yi 1024',
  ],
  [
    '{{ humanizeDuration 0.0 }} {{ humanizeDuration 1.5 }} {{ humanizeDuration 59.9 }} {{ humanizeDuration 60.0 }} {{ humanizeDuration 3661.0 }} {{ humanizeDuration 90061.0 }}',
    '0s 1.5s 59.9s 1m 0s 1h 1m 1s 1d 1h 1m 1s',
  ],
  [
    '{{ humanizeDuration -90.0 }} {{ humanizeDuration 0.0012 }} {{ humanizeDuration 1e-9 }} {{ humanizeDuration "86400" }} {{ humanizeDuration -0.5 }} {{ humanizeDuration 59.99999 }}',
    '-1m 30s 1.2ms 1ns 1d 0h 0m 0s -500ms 60s',
  ],
  [
    '{{ humanizePercentage 0.1234567 }} {{ humanizePercentage 1.0 }} {{ humanizePercentage -0.5 }} {{ humanizePercentage "0.5" }}',
    '12.35% 100% -50% 50%',
  ],
  [
    '{{ humanizeTimestamp 1435781451.781 }} {{ humanizeTimestamp 0.0 }} {{ humanizeTimestamp "1435781451" }}',
    '2015-07-01 20:10:51.78 +0000 UTC 1970-01-01 00:00:00 +0000 UTC 2015-07-01 20:10:51 +0000 UTC',
  ],
  [
    '{{ (toTime 1435781451.781).Format "2006-01-02T15:04:05.000Z07:00 Mon Jan _2 3:04PM" }} {{ (toTime "0").Year }} {{ toTime 12345678.0 }}',
    '2015-07-01T20:10:51.780Z Wed Jul  1 8:10PM 1970 1970-05-23 21:21:18 +0000 UTC',
  ],
  ['{{ title "hello wide_world" }} {{ toUpper "aé" }} {{ toLower "AÉ" }}', 'Hello Wide_world AÉ aé'],
  [
    '{{ match "a+" "xaay" }} {{ match "^a$" "xa" }} {{ reReplaceAll "(a+)b" "<$1>" "aabxab" }} {{ reReplaceAll ".*:(\\\\d+)" "port $1" $labels.instance }}',
    'true false <aa>x<a> port 9092',
  ],
  [
    '{{ graphLink "up{a=\\"b\\"} > 1" }} {{ tableLink "a + b" }}',
    '/graph?g0.expr=up%7Ba%3D%22b%22%7D+%3E+1&g0.tab=0 /graph?g0.expr=a+%2B+b&g0.tab=1',
  ],
  [
    '{{ stripPort $labels.instance }} {{ stripPort "[::1]:90" }} {{ stripPort "::1" }} {{ stripPort "host" }}',
    'kafka1.example.com ::1 ::1 host',
  ],
  [
    '{{ stripDomain $labels.instance }} {{ stripDomain "a.b.c" }} {{ stripDomain "10.0.0.1:80" }} {{ stripDomain "10.0.0.1" }} {{ stripDomain "[::1]:90" }}',
    'kafka1:9092 a 10.0.0.1:80 10.0.0.1 [::1]:90',
  ],
  ['{{ parseDuration "1h30m" }} {{ parseDuration "5ms" }} {{ safeHtml "<b>" }}', '5400 0.005 <b>'],
  ['{{ range query "other" | sortByLabel "zone" }}{{ label "zone" . }}={{ value . }},{{ strvalue . }}{{ end }}', 'a=7,b=2.5,'],
  ['{{ with query "sum(other)" }}{{ . | first | value | humanize }}{{ end }}', '9.5'],
  ['{{ query "other" | sortByLabel "zone" | first }}', '{map[__name__:other zone:a] 7}'],
];

/** Templates that cannot be parsed, each with the reason we give. */
export const INVALID_TEMPLATES: readonly (readonly [template: string, reason: string])[] = [
  ['{{ $x }}', 'undefined variable "$x"'],
  ['{{ nosuch 1 }}', 'function "nosuch" not defined'],
  ['{{ if true }}', 'unexpected EOF'],
  ['{{ end }}', 'unexpected {{end}}'],
  ['{{ else }}', 'unexpected {{else}}'],
  ['{{ }}', 'missing value for command'],
  ['{{ 1 | | 2 }}', 'unexpected "|" in command'],
  ['{{ 1 | 2 }}', 'non executable command in pipeline stage 2'],
  ['{{ "a', 'unterminated quoted string'],
  ['{{ `a }}', 'unterminated raw quoted string'],
  ['{{ (1 }}', 'unclosed left paren'],
  ['{{ 1) }}', 'unexpected right paren'],
  ['{{ 1', 'unclosed action'],
  ['{{/* a', 'unclosed comment'],
  ['{{ break }}', '{{break}} outside {{range}}'],
  ['{{ continue }}', '{{continue}} outside {{range}}'],
  ['{{ if true }}{{ define "x" }}{{ end }}{{ end }}', 'unexpected <define> in command'],
  ['{{ template x }}', 'unexpected "x" in template clause'],
  ['{{ $x, $y := 1 }}', 'too many declarations in command'],
  ['{{ 1.2.3 }}', 'unexpected ".3" in operand'],
  ['{{ "a".b }}', 'unexpected . after term "\\"a\\""'],
  ['{{ ! }}', 'unexpected "!" in command'],
  ['{{ if }}x{{ end }}', 'missing value for if'],
  ['{{ "\\q" }}', 'invalid syntax'],
  ['{{ define "x" }}1{{ end }}{{ define "x" }}2{{ end }}', 'template: multiple definition of template "x"'],
];
