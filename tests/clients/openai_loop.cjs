// OpenAI's own client: text, stream, and a tool loop, each whole and streamed. Prints what it got, as JSON.
const { OpenAI } = require("openai");

const client = new OpenAI({ baseURL: process.env.BASE_URL, apiKey: process.env.API_KEY, maxRetries: 0 });
const model = "step-3.7-flash";
const parameters = { type: "object", properties: { city: { type: "string" } }, required: ["city"] };
const tools = [{ type: "function", function: { name: "get_weather", description: "The weather.", parameters } }];

async function ask(streamed, body) {
  if (!streamed) return client.chat.completions.create({ model, ...body });
  const usage = { stream_options: { include_usage: true } };
  return client.chat.completions.stream({ model, ...usage, ...body }).finalChatCompletion();
}

async function main() {
  const got = [];
  for (const streamed of [false, true]) {
    const text = await ask(streamed, { messages: [{ role: "user", content: "Hello" }] });
    const messages = [{ role: "user", content: "What is the weather in Paris?" }];
    const asked = await ask(streamed, { messages, tools });
    const [call] = asked.choices[0].message.tool_calls;
    const result = { role: "tool", tool_call_id: call.id, content: `sunny in ${JSON.parse(call.function.arguments).city}` };
    const answered = await ask(streamed, { messages: [...messages, asked.choices[0].message, result], tools });
    got.push({
      text: text.choices[0].message.content,
      tokens: text.usage.completion_tokens,
      finish: asked.choices[0].finish_reason,
      answer: answered.choices[0].message.content,
    });
  }
  console.log(JSON.stringify(got));
}

main();
