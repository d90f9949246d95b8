// Draws the two plots of the paired comparisons with Plotly, from the selection of comparisons.js:
// { metric, points: [{ mixture, a, b, difference, group, hover }], mean, low, high, chosen }.

const comparisonPlots = (() => {
  // Colours of the light theme, which a downloaded file keeps; comparisons.css adapts them.
  const INK = "rgb(27, 36, 49)";
  const MUTED = "rgb(91, 103, 118)";
  const LINE = "rgb(221, 226, 232)";
  const PAPER = "rgb(255, 255, 255)";
  const NONE = "rgba(0, 0, 0, 0)";
  const GROUPS = [
    { uid: "better", name: "A better", marker: { color: "rgb(28, 112, 121)" } },
    { uid: "worse", name: "B better", marker: { color: "rgb(138, 151, 166)" } },
    { uid: "equal", name: "equal", marker: { color: MUTED } },
  ];
  const BARS = 25;
  const CROWD = 500; // from this number on, points are drawn small
  const FEW = 10; // below this number of points the axis would have fractions of a mixture

  const title = ({ label, unit }) => (unit ? `${label} (${unit})` : label);
  const axis = (text, more) => ({
    title: { text, standoff: 8 },
    automargin: true,
    gridcolor: LINE,
    linecolor: LINE,
    zeroline: false,
    ...more,
  });
  const layout = (more) => ({
    autosize: true,
    margin: { l: 50, r: 12, t: 36, b: 45 },
    paper_bgcolor: NONE,
    plot_bgcolor: NONE,
    font: { family: getComputedStyle(document.body).fontFamily, size: 12, color: MUTED },
    hoverlabel: { bgcolor: PAPER, bordercolor: MUTED, font: { color: INK }, align: "left" },
    legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom" },
    ...more,
  });
  const settings = (filename) => ({
    responsive: true,
    displaylogo: false,
    showSendToCloud: false,
    plotlyServerURL: "",
    modeBarButtonsToRemove: ["select2d", "lasso2d"],
    toImageButtonOptions: { format: "svg", filename },
  });

  const scatter = (element, { metric, points, chosen }) => {
    const ends = points.flatMap((point) => [point.a, point.b]);
    const [low, high] = ends.length ? [Math.min(...ends), Math.max(...ends)] : [0, 1];
    const room = 0.05 * (high - low) || 1;
    const range = [low - room, high + room];
    const size = points.length > CROWD ? 5 : 8;
    const traces = GROUPS.map((group) => {
      const own = points.filter((point) => point.group === group.uid);
      return {
        ...group,
        mode: "markers",
        marker: { ...group.marker, size, opacity: 0.75 },
        x: own.map((point) => point.b),
        y: own.map((point) => point.a),
        customdata: own.map((point) => point.mixture),
        text: own.map((point) => point.hover),
        hovertemplate: "%{text}<extra></extra>",
        showlegend: own.length > 0,
      };
    });
    const ring = points.filter((point) => point.mixture === chosen);
    traces.push({
      uid: "chosen",
      mode: "markers",
      marker: { size: 15, color: INK, symbol: "circle-open", line: { width: 2 } },
      x: ring.map((point) => point.b),
      y: ring.map((point) => point.a),
      hoverinfo: "skip",
      showlegend: false,
    });
    const [from, to] = range;
    const line = { color: MUTED, width: 1 };
    const more = {
      xaxis: axis(`B: ${title(metric)}`, { range }),
      yaxis: axis(`A: ${title(metric)}`, { range }),
      shapes: [{ type: "line", x0: from, y0: from, x1: to, y1: to, layer: "below", line }],
      hovermode: "closest",
    };
    return Plotly.react(element, traces, layout(more), settings("systems"));
  };

  // Bars have a round width and start at a multiple of it, so zero is an edge between two bars.
  const bins = (values) => {
    const [low, high] = [Math.min(...values), Math.max(...values)];
    const wanted = (high - low) / BARS || 1;
    const power = 10 ** Math.floor(Math.log10(wanted));
    const size = power * [1, 2, 5, 10].find((step) => step * power >= wanted);
    const [first, last] = [Math.floor(low / size), Math.floor(high / size)];
    return { size, start: first * size, end: (last + 1) * size };
  };

  const histogram = (element, { metric, points, mean, low, high }) => {
    const xbins = bins(points.length ? points.map((point) => point.difference) : [0]);
    const hovertemplate = "A − B: %{x}<br>mixtures: %{y}<extra></extra>";
    const traces = GROUPS.map((group) => ({
      ...group,
      type: "histogram",
      x: points.filter((point) => point.group === group.uid).map((point) => point.difference),
      xbins,
      hovertemplate,
      showlegend: false,
    })).filter((trace) => trace.x.length);
    const upright = (at, to, more) => ({ x0: at, x1: to, y0: 0, y1: 1, yref: "paper", ...more });
    const shapes = [
      upright(0, 0, { type: "line", line: { color: MUTED, width: 1, dash: "dash" } }),
      upright(mean, mean, { type: "line", line: { color: INK, width: 2 } }),
      upright(low, high, { type: "rect", fillcolor: INK, opacity: 0.12, line: { width: 0 } }),
    ].filter((shape) => Number.isFinite(shape.x0));
    const more = {
      xaxis: axis(`A − B: ${title(metric)}`),
      yaxis: axis("mixtures", points.length < FEW ? { dtick: 1 } : {}),
      shapes,
      barmode: "stack",
      bargap: 0.04,
    };
    return Plotly.react(element, traces, layout(more), settings("differences"));
  };

  return { scatter, histogram };
})();
