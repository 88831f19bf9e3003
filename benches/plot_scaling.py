"""Draws the table of `cargo bench --bench upscale -- --scaling` as SVG.

    cargo bench --bench upscale -- --device cpu --scaling > table.txt
    python benches/plot_scaling.py table.txt docs/images/scaling.svg

Nanoseconds a pixel and step against the side of the result, on logarithmic axes:
a level line is time linear in pixels.
"""
import math
import re
import sys

WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 640, 360, 70, 50, 30


def rows(text):
    """Of each device: its name, and (side, ns a pixel) of the rows of batch 1 with all threads."""
    devices = []
    for line in text.splitlines():
        numbers = re.findall(r"^ +(\d+) +(\d+) +(\d+) +([\d.]+) +(\d+) +[\d.]+$", line)
        if numbers and devices:
            side, batch, threads, _, ns = numbers[0]
            devices[-1][1].append((int(side), int(batch), int(threads), int(ns)))
        elif line and not line.startswith((" ", "adapter", "srdiff", "error")) and "channels" not in line:
            devices.append((line, []))
    result = []
    for name, table in devices:
        most = max((row[2] for row in table), default=0)
        points = {side: ns for side, batch, threads, ns in reversed(table) if batch == 1 and threads == most}
        if points:
            result.append((name, sorted(points.items())))
    return result


def main():
    source, target = sys.argv[1:]
    devices = rows(open(source).read())
    sides = sorted({side for _, points in devices for side, _ in points})
    values = [ns for _, points in devices for _, ns in points]
    low, high = 10 ** math.floor(math.log10(min(values))), 10 ** math.ceil(math.log10(max(values)))
    x = lambda side: LEFT + (WIDTH - LEFT - 20) * math.log(side / sides[0]) / math.log(sides[-1] / sides[0])
    y = lambda ns: TOP + (HEIGHT - TOP - BOTTOM) * (1 - math.log(ns / low) / math.log(high / low))
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">']
    out.append(f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>')
    for side in sides:
        out.append(f'<text x="{x(side):.0f}" y="{HEIGHT - BOTTOM + 20}" text-anchor="middle">{side}</text>')
    decade = low
    while decade < high:
        for tick in (1, 2, 5):
            at = y(decade * tick)
            out.append(f'<line x1="{LEFT}" x2="{WIDTH - 20}" y1="{at:.0f}" y2="{at:.0f}" stroke="#ddd"/>')
            out.append(f'<text x="{LEFT - 8}" y="{at + 4:.0f}" text-anchor="end">{decade * tick}</text>')
        decade *= 10
    out.append(f'<text x="{WIDTH / 2}" y="{HEIGHT - 8}" text-anchor="middle">side of the result, pixels</text>')
    out.append(f'<text x="{LEFT}" y="{TOP - 12}">ns a pixel and step</text>')
    for index, (name, points) in enumerate(devices):
        color = ["#1b6ac9", "#d1495b", "#2e8b57", "#8a5fbf"][index % 4]
        path = " ".join(f"{x(side):.1f},{y(ns):.1f}" for side, ns in points)
        out.append(f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="2"/>')
        out += [f'<circle cx="{x(side):.1f}" cy="{y(ns):.1f}" r="3" fill="{color}"/>' for side, ns in points]
        out.append(f'<text x="{WIDTH - 24}" y="{TOP + 16 * index + 4}" text-anchor="end" fill="{color}">{name}</text>')
    out.append("</svg>\n")
    open(target, "w").write("\n".join(out))


if __name__ == "__main__":
    main()
