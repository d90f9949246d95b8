// Compares two systems mixture by mixture: the selection, the result in words, and one mixture.

const startComparisons = (root) => {
  const data = JSON.parse(root.querySelector("script").textContent);
  const select = (name) => root.querySelector(`select[name=${name}]`);
  const [pickA, pickB, pickMetric, pickMixture] = ["a", "b", "metric", "mixture"].map(select);
  const scatter = root.querySelector(".plot.scatter");
  const histogram = root.querySelector(".plot.histogram");
  const opened = root.querySelector(".opened");

  const FACTS = {
    speakers: "speakers",
    sexes: "sexes",
    snr: "input SNR",
    overlap: "overlap",
    noise: "noise",
    seconds: "length",
  };

  const UNKNOWN = "–"; // as in the tables

  // Numbers are written as on the rest of the page: with a true minus, and no sign before a zero.
  const typeset = (value, digits, sign = false) => {
    const text = Math.abs(value).toFixed(digits);
    if (Number(text) === 0) return text;
    return (value < 0 ? "−" : sign ? "+" : "") + text;
  };
  const withUnit = (text, { unit }) => (unit ? `${text} ${unit}` : text);
  // Plotly interprets HTML in its texts.
  const plain = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");

  const hover = (metric, mixture, a, b) => {
    const [speakers, snr, overlap, noise] = ["speakers", "snr", "overlap", "noise"].map((name) =>
      plain(data.facts[name][mixture]));
    const scores = `A ${typeset(a, metric.digits)}, B ${typeset(b, metric.digits)}`;
    const known = [speakers, `SNR ${snr}`, `overlap ${overlap}`, noise];
    return [
      `<b>${plain(data.mixtures[mixture])}</b>`,
      withUnit(scores, metric),
      ...known.filter((text) => !text.endsWith(UNKNOWN)),
    ].join("<br>");
  };

  // The estimate of the tables if they have the pair; otherwise the mean of the points, without an interval.
  const estimate = (metric, a, b, points) => {
    for (const [first, second, mean, low, high] of metric.pairs) {
      if (first === a && second === b) return { mean, low, high };
      if (first === b && second === a) return { mean: -mean, low: -high, high: -low };
    }
    return { mean: points.reduce((sum, point) => sum + point.difference, 0) / points.length };
  };

  // The selection of the menus; its points are the mixtures with a score of both systems.
  const picked = () => {
    const [a, b] = [Number(pickA.value), Number(pickB.value)];
    const metric = data.metrics[pickMetric.value];
    const turn = metric.lowIsGood ? -1 : 1;
    const points = [];
    for (const mixture of data.mixtures.keys()) {
      const scores = [a, b].map((system) => metric.values[system][mixture]);
      if (scores.includes(null)) continue;
      const [own, other] = scores.map((score) => score / metric.scale);
      const group = ["worse", "equal", "better"][1 + Math.sign(turn * (scores[0] - scores[1]))];
      const text = hover(metric, mixture, own, other);
      points.push({ mixture, a: own, b: other, difference: own - other, group, hover: text });
    }
    const chosen = pickMixture.value === "" ? null : Number(pickMixture.value);
    return { a, b, metric, points, chosen, ...estimate(metric, a, b, points) };
  };

  const inWords = ({ metric, points, mean, low, high }) => {
    if (!points.length) return "No mixture has a score of both systems.";
    const count = (group) => points.filter((point) => point.group === group).length;
    const share = Math.round((100 * count("better")) / points.length);
    const signed = (value) => typeset(value, metric.digits, true);
    return [
      `A is better on ${count("better")} of ${points.length} ${points.length === 1 ? "mixture" : "mixtures"} (${share} %), `,
      `B on ${count("worse")}`,
      count("equal") ? `, both are equal on ${count("equal")}` : "",
      `. Mean difference A − B: ${withUnit(signed(mean), metric)}`,
      low === undefined ? "" : ` (${data.confidence} interval ${signed(low)} to ${signed(high)})`,
      metric.lowIsGood ? `; a lower ${metric.label} is better.` : ".",
    ].join("");
  };

  // The list is in order of increasing difference, and keeps the chosen mixture.
  const list = ({ metric, points, chosen }) => {
    const order = [...points].sort((one, other) => one.difference - other.difference);
    const options = order.map(({ mixture, difference }) => {
      const text = `${data.mixtures[mixture]} (${typeset(difference, metric.digits, true)})`;
      return new Option(text, mixture, false, mixture === chosen);
    });
    pickMixture.replaceChildren(new Option("none", ""), ...options);
  };

  const scoreRow = ({ a, b, metric, chosen }, label, system) => {
    const mark = (system === a ? " (A)" : "") + (system === b ? " (B)" : "");
    const value = metric.values[system][chosen];
    const text = value === null ? "–" : typeset(value / metric.scale, metric.digits);
    const cells = [make("th", { scope: "row" }, label + mark), make("td", {}, text)];
    return make("tr", { className: mark && "strong" }, ...cells);
  };

  const open = (now) => {
    opened.hidden = now.chosen === null;
    if (opened.hidden) return;
    const id = data.mixtures[now.chosen];
    const part = (name) => opened.querySelector(name);
    const facts = Object.entries(FACTS)
      .map(([name, label]) => [label, data.facts[name][now.chosen]])
      .filter(([, text]) => text !== UNKNOWN)
      .flatMap(([label, text]) => [make("dt", {}, label), make("dd", {}, text)]);
    const link = make("a", { href: `#mixture-${id}` }, "Listen to this mixture");
    part("h4").textContent = id;
    part("dl").replaceChildren(...facts);
    part("caption").textContent = `${now.metric.label} of every system`;
    part("thead th:last-child").textContent = now.metric.unit || now.metric.label;
    part("tbody").replaceChildren(...data.systems.map((...system) => scoreRow(now, ...system)));
    part(".listen").replaceChildren(...(data.listed.includes(now.chosen) ? [link] : []));
  };

  const showMixture = () => {
    const now = picked();
    open(now);
    return comparisonPlots.scatter(scatter, now);
  };
  const showPair = () => {
    list(picked());
    const now = picked(); // a chosen mixture that is not in the new list is no longer chosen
    root.querySelector(".words").textContent = inWords(now);
    return Promise.all([comparisonPlots.histogram(histogram, now), showMixture()]);
  };

  const fill = (menu, texts) =>
    menu.replaceChildren(...texts.map((text, place) => new Option(text, place)));
  fill(pickA, data.systems);
  fill(pickB, data.systems);
  fill(pickMetric, data.metrics.map((metric) => metric.label));
  [pickA.value, pickB.value] = data.chosen;
  for (const menu of [pickA, pickB, pickMetric]) menu.addEventListener("change", showPair);
  pickMixture.addEventListener("change", showMixture);
  root.hidden = false;
  showPair().then(() => scatter.on("plotly_click", ({ points: [point] }) => {
    pickMixture.value = point.customdata;
    showMixture();
  }));
};

// Plotly's script is deferred: it has run by then, unless it is missing.
addEventListener("DOMContentLoaded", () => {
  const root = document.querySelector(".explorer");
  if (root && window.Plotly) startComparisons(root);
});
