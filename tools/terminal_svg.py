"""Draws what a command printed as a terminal window in SVG.

    mapsto train digits 2>&1 | python tools/terminal_svg.py "mapsto train digits" > docs/train-digits.svg

Of long output the first and the last lines are kept.
"""
import html
import sys

FIRST, LAST = 4, 34
# Plain spaces in a row collapse to one, and not every viewer heeds the attribute that keeps them.
NBSP = "\u00a0"
WIDTH, LINE, LEFT, TOP = 760, 18, 18, 58

title = sys.argv[1]
lines = sys.stdin.read().expandtabs().splitlines()
if len(lines) > FIRST + LAST:
    lines = lines[:FIRST] + ["…"] + lines[-LAST:]
lines = [f"$ {title}"] + lines
height = TOP + LINE * len(lines) + 14
print(f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" role="img" aria-label="{html.escape(title)}">')
print(f'<rect width="{WIDTH}" height="{height}" rx="10" fill="#16181d"/>')
for i, colour in enumerate(("#ff5f57", "#febc2e", "#28c840")):
    print(f'<circle cx="{22 + 20 * i}" cy="22" r="6" fill="{colour}"/>')
print('<g font-family="ui-monospace, Menlo, Consolas, monospace" font-size="13" fill="#d7dae0">')
for i, line in enumerate(lines):
    colour = ' fill="#7bd88f"' if i == 0 or line.startswith("accuracy") else ""
    print(f'<text x="{LEFT}" y="{TOP + LINE * i}"{colour}>{html.escape(line).replace(" ", NBSP)}</text>')
print("</g></svg>")
