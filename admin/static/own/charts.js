// Draws what stands as JSON in a [data-chart]; colours follow the theme, print is always light.
"use strict";
(() => {
  const LIGHT = ["#0a55a8", "#b45309", "#1b6b32", "#8b2fa0"];
  const DARK = ["#8cc2ff", "#fbbf6b", "#8fe0a8", "#dba7ee"];
  const REFRESH_MS = 2000;
  const drawn = new Map();
  const fetched = new Map();

  const isDark = () => document.documentElement.dataset.bsTheme === "dark";

  const option = (data, dark) => {
    const ink = dark ? "#cdd6e4" : "#3c4657";
    const line = dark ? "#3a4557" : "#d8dee7";
    const lying = data.kind === "rank";
    const digits = Math.max(...data.series.map((one) => one.digits));
    const unit = data.series[0].unit;
    const exact = new Intl.NumberFormat(data.locale, { minimumFractionDigits: digits, maximumFractionDigits: digits });
    const brief = new Intl.NumberFormat(data.locale, { notation: "compact", maximumFractionDigits: 1 });
    const labels = {
      type: "category",
      data: data.labels,
      inverse: lying,
      axisLabel: { color: ink, hideOverlap: true, ...(lying ? { width: 220, overflow: "truncate" } : {}) },
      axisLine: { lineStyle: { color: line } },
      axisTick: { show: false },
    };
    const values = {
      type: "value",
      scale: data.kind === "line" && Math.min(...data.series.flatMap((one) => one.values)) > 0,
      axisLabel: { color: ink, formatter: (value) => brief.format(value) + unit, hideOverlap: true },
      splitLine: { lineStyle: { color: line } },
    };
    return {
      animation: false,
      backgroundColor: "transparent",
      color: dark ? DARK : LIGHT,
      textStyle: { fontFamily: getComputedStyle(document.body).fontFamily },
      aria: { enabled: true, decal: { show: data.series.length > 1 } },
      grid: { left: 8, right: 24, top: data.series.length > 1 ? 40 : 16, bottom: 8, containLabel: true },
      legend: data.series.length > 1 ? { top: 0, textStyle: { color: ink } } : undefined,
      tooltip: {
        trigger: "axis",
        renderMode: "richText", // the other mode writes style attributes, which the content policy refuses
        valueFormatter: (value) => (value === null || value === undefined ? "" : exact.format(value) + unit),
      },
      xAxis: lying ? values : labels,
      yAxis: lying ? labels : values,
      series: data.series.map((one) => ({
        name: one.name,
        type: data.kind === "line" ? "line" : "bar",
        stack: data.isStacked ? "all" : undefined,
        data: one.values,
        showSymbol: data.labels.length < 40,
        barMaxWidth: 36,
        lineStyle: { width: 2 },
      })),
    };
  };

  const draw = (place, dark) => {
    const source = place.querySelector("script");
    if (!source || !window.echarts) return;
    const data = fetched.get(place) || JSON.parse(source.textContent);
    let chart = drawn.get(place);
    if (!chart) {
      const canvas = document.createElement("div");
      canvas.className = "chart-canvas";
      if (data.kind === "rank") canvas.style.height = `${Math.max(160, 40 + data.labels.length * 24 * data.series.length)}px`;
      place.append(canvas);
      chart = window.echarts.init(canvas, null, { renderer: "canvas" });
      drawn.set(place, chart);
    }
    chart.setOption(option(data, dark), true);
  };

  const drawAll = (dark = isDark()) => {
    for (const [place, chart] of drawn) {
      if (!place.isConnected) {
        chart.dispose();
        drawn.delete(place);
      }
    }
    document.querySelectorAll("[data-chart]").forEach((place) => draw(place, dark));
  };

  // A chart with a source is drawn anew from it, while somebody looks.
  const refresh = async (place) => {
    if (document.hidden || !place.isConnected) return;
    try {
      const answer = await fetch(place.dataset.chartSource, { headers: { accept: "application/json" } });
      const isOurs = answer.ok && (answer.headers.get("content-type") || "").startsWith("application/json");
      if (!isOurs) return;
      fetched.set(place, await answer.json());
      draw(place, isDark());
    } catch {
      // The service is being restarted: the next turn asks again.
    }
  };
  document.querySelectorAll("[data-chart-source]").forEach((place) => setInterval(refresh, REFRESH_MS, place));

  const print = window.matchMedia("print");
  print.addEventListener("change", () => {
    drawAll(print.matches ? false : isDark());
    drawn.forEach((chart) => chart.resize({ animation: { duration: 0 } }));
  });
  window.addEventListener("resize", () => drawn.forEach((chart) => chart.resize()));
  new MutationObserver(() => drawAll()).observe(document.documentElement, { attributeFilter: ["data-bs-theme"] });
  drawAll();
})();
